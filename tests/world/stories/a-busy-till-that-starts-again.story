# After 16 payments in 10 minutes a till that starts again shows them, and not the request that is open.
mark device: requests are shown again oldest first, and paid ones leave no room
finds C13 an open request is not on the air, after a restart too
Bob is offline for 15 minutes
Cid pays Bob 16 times 0.10
Bob asks for 5.00
Bob's device is killed
