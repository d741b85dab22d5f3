# Books are restored from a copy that is older than devices remember what the server answered them: payments that a
# TA collected long ago are credited online once more.
mark server: devices tell a new life what it answered in the last 90 days, whatever the age of the copy
finds C3 one payment is credited twice
also C2 money came from nowhere for good
also C11 somebody has more than they had
also C15 status does not succeed
Bob pays Ada 1.00
60 days pass, everything off
60 days pass, everything off
the books are put back, and backed up again
1 days pass, everything off
Bob's device is killed
