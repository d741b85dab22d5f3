# A payment is signed and does not arrive: its payer's device is off for two days. Meanwhile the request ends, and the
# payee's TA tells the server that it is closed. So the payment is credited to the account, and never by the TA.
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 300 ms
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 400 ms
