# The clock of a device is behind when it first meets a server that was restored: what it paid meanwhile is dated before what it was paid.
mark device: what is told to a new life is chosen by the wall clock, and told once
finds C15 status does not succeed
also C2 money came from nowhere for good
also C2 money is missing for good
also C11 somebody has more than they had
also C3 one payment is credited twice
Ada pays Cid 1.00
Cid's clock jumps -2 days
Cid pays Ada 1.00
Ada pays Cid 1.00
Cid pays Ada 1.00
Cid deposits 1.00
Cid pays Ada 1.00
the books are lost and restored
