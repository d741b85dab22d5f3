# The server's disk fails once, just when numbers for answers are drawn. Numbers whose draw did not last are never used:
# neither does the audit find any, nor does the next process draw them again. And the server goes on.
the server is killed, its disk refuses commit 5
Ada is offline for 20 minutes
Ada pays Dot 1.00
Dot syncs
Bob deposits 1.00
the server is killed, its disk refuses commit 4
Ada is offline for 20 minutes
Ada pays Dot 1.00
Dot syncs
Bob deposits 1.00
the server is killed, its disk refuses commit 3
Ada is offline for 20 minutes
Ada pays Dot 1.00
Dot syncs
Bob deposits 1.00
the server is killed, its disk refuses commit 2
Ada is offline for 20 minutes
Ada pays Dot 1.00
Dot syncs
Bob deposits 1.00
the server is killed, its disk refuses commit 1
Ada is offline for 20 minutes
Ada pays Dot 1.00
Dot syncs
Bob deposits 1.00
