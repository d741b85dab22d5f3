# A deposit is answered, its TA retires two months later, and the books are restored to before both. The device lies
# in a drawer, and tells the new life when the claim window of the deposit has closed: the retirement is answered with
# a sum that lacks the deposit, the device does not believe it, and what the TA held stays in its shadow.
mark server: a TA whose history comes after the claim window is refused for good
finds C2 money is missing for good
also C15 poisoned does not succeed
also C6 what was acknowledged is booked only now
Ada deposits 1.00
60 days pass, everything off
Ada retires the TA
the books are lost and restored, and backed up again
60 days pass, everything off
