# A payment is signed and does not arrive: its payer's device is off for two days. Meanwhile the request ends, and the
# payee's TA tells the server that it is closed. So the payer's server credits the account, and the payee, who has a TA
# and a mailbox, never hears of it.
mark device: a payee does not ask the server what it credited to its account
finds C7 a payee with a TA does not know that it was paid
Cid pays Bob 1.00, Cid's device goes off for 2900 minutes after 150 ms
Cid pays Bob 1.00, Cid's device goes off for 2900 minutes after 175 ms
Cid pays Bob 1.00, Cid's device goes off for 2900 minutes after 200 ms
Cid pays Bob 1.00, Cid's device goes off for 2900 minutes after 225 ms
Cid pays Bob 1.00, Cid's device goes off for 2900 minutes after 250 ms
