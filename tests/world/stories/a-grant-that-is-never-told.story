# A deposit is answered, and the books are restored to before it. The owner keeps the answer back from the new life
# until the claim window has closed: the money is on the device, and in the online account too.
mark server: what an owner keeps back from a new life stays in the account until the TA shows that it took it
finds C11 somebody has more than they had
also C15 status does not succeed
also C2 money came from nowhere for good
also C6 what was acknowledged is booked only now
Cid deposits 1.00
Cid keeps back what a new life should be told
the books are put back, and backed up again
60 days pass, everything off
60 days pass, everything off
