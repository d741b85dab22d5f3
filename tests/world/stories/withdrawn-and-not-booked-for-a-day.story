# What was withdrawn and acknowledged before the books were lost is in no account until the device states what
# it holds, which is due only once a day, though the sync says that nothing is left.
mark server: a status is not due after a new life
finds C2 money is missing for a day
Bob pays Ada 9.00
Ada withdraws 55.00
the books are lost and restored, and backed up again
