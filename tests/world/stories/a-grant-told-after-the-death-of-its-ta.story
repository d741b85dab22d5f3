# A deposit is answered, the TA breaks and is reported dead, and the books are lost. The device tells the new life
# of the death and of the grant: the grant is booked to a TA that is buried already, which will never take it, and
# is not part of what waits for the owner. So the owner is never paid it, also not when all else is paid out.
Cid deposits 7.00
Cid's TA breaks and is reported dead
the books are lost and restored
60 days pass, everything off
Cid syncs
