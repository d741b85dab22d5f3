# A payment is signed and does not arrive: its payer's device is off for a day and more. Meanwhile the request ends, and the
# payee's TA tells the server that it is closed. So the payer's server credits the account, and the payee, who has a TA
# and a mailbox, never hears of it.
mark device: a payee does not ask the server what it credited to its account
finds C7 a payee with a TA does not know that it was paid
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 170 ms
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 182 ms
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 194 ms
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 206 ms
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 218 ms
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 230 ms
