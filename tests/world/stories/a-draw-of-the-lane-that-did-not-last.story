# As a-draw-that-did-not-last, for the numbers that plain claims are answered with: none is used whose draw failed.
the server is killed, its disk refuses commit 3
Ada is offline for 20 minutes
Ada pays Dot 1.00
Dot syncs
Ada pays Dot 1.00
Dot syncs
