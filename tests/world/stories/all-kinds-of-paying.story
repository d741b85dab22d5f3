# Nothing goes wrong.
Ada pays Bob 1.00
Bob pays Cid 2.00 by URI
Cid pays Ada 3.00 by name
Ada pays Dot 4.00 by policy
Dot syncs
Ada deposits 5.00
Bob withdraws 6.00
the server is killed
Ada's device is killed
Bob pays Ada 0.50
