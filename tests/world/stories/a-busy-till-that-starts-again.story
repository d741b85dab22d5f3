# After 16 payments in 10 minutes a till that starts again shows the request that is open before those that are paid.
Bob is offline for 15 minutes
Cid pays Bob 16 times 0.10
Bob asks for 5.00
Bob's device is killed
