# A payment is signed and does not arrive: its payer's device is off for a day and more. Meanwhile the request ends, and the
# payee's TA tells the server that it is closed. So the payment is credited to the account; the payer does not hear that, and
# delivers it when the two meet again: the TA must not collect it too.
Cid's answers to claims get lost for 1600 minutes
Cid's answers to reports get lost for 1600 minutes
Cid pays Bob 1.00, Cid's device goes off for 1500 minutes after 200 ms
Cid pays Bob 2.00
