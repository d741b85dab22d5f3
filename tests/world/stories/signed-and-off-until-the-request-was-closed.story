# A payment is signed and does not arrive: its payer's device is off for a day and more. Meanwhile the request ends, and the
# payee's TA tells the server that it is closed. So the payer's server credits the account, and nothing waits in the
# payee's mailbox: it hears of it when it asks what was credited.
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 170 ms
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 182 ms
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 194 ms
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 206 ms
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 218 ms
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 230 ms
