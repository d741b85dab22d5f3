# A device whose clock is wrong when it first meets a server that was restored leaves out what seems too old (or
# is dated ahead) and notes that it has told all: the books lack it for good, also when the clock is right.
mark device: what is told to a new life is chosen by the wall clock, and told once
finds C15 status does not succeed
also C2 money came from nowhere for good
also C2 money is missing for good
also C11 somebody has more than they had
Bob pays Ada 1.00
Ada's clock jumps 400 days
the books are lost and restored
Ada deposits 1.00
