# The clock of a till jumps ahead and back: its request is open, and on the air.
Ada asks for 1.00
Ada's clock jumps 400 days
Ada's clock is right
