# The clock of a till jumps ahead and back: its request is open, and nobody hears it.
mark device: what has expired by the wall clock is taken off the air for good
finds C13 an open request is not on the air, until a restart
Ada asks for 1.00
Ada's clock jumps 400 days
Ada's clock is right
