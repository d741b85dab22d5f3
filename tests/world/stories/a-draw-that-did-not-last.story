# The server's disk fails once, just when numbers for answers are drawn: the numbers are used, and the books do not
# know of it. What is answered with them the audit does not believe, and the next process draws them again.
mark server: numbers of answers are used before the transaction that draws them is durable
finds C16 the audit finds faults
also C16 /v1/account fails
also C8 one number for two answers
the server is killed, its disk refuses commit 3
Ada is offline for 20 minutes
Ada pays Dot 1.00
Dot syncs
Ada pays Dot 1.00
Dot syncs
