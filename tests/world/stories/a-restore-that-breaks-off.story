# The machine dies between the renaming of the file and the beginning of the next life: the server starts all
# the same, in the life of the backup, which is older than what devices have seen.
mark server: the next life begins after the books are in place
finds C8 an older life answers
also C8 one number for two answers
also C15 account does not succeed
also C15 lives does not succeed
also C15 mailbox does not succeed
also C15 poisoned does not succeed
also C15 status does not succeed
also C6 what was acknowledged is booked only now
also C2 money is missing for good
also C11 somebody has more than they had
the books are put back
Ada pays Bob 1.00
Bob syncs
the books are put back, the machine dies after 20 ms
the books are put back, the machine dies after 22 ms
the books are put back, the machine dies after 24 ms
the books are put back, the machine dies after 26 ms
the books are put back, the machine dies after 28 ms
the books are put back, the machine dies after 30 ms
the books are put back, the machine dies after 32 ms
the books are put back, the machine dies after 34 ms
the books are put back, the machine dies after 36 ms
the books are put back, the machine dies after 38 ms
the books are put back, the machine dies after 40 ms
the books are put back, the machine dies after 42 ms
the books are put back, the machine dies after 44 ms
the books are put back, the machine dies after 46 ms
the books are put back, the machine dies after 48 ms
