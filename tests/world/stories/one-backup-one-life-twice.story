# The books are lost twice and restored from one copy: the second restore begins the life of the first again,
# so that what the server answered in that life is forgotten, and nobody hears of it.
mark server: the next life is taken from the backup, whatever devices have seen
finds C8 one number for two answers
also C2 money came from nowhere for good
also C15 status does not succeed
also C6 what was acknowledged is booked only now
also C11 somebody has more than they had
the books are lost and restored
Cid deposits 6.92
the books are lost and restored
