# As a-grant-told-after-the-death-of-its-ta, but the TA paid before: the payment shows that it had taken the grant,
# which is then in the shadow of a TA that is buried already, and waits for nobody.
Ada pays Cid 3.00
Ada deposits 7.00
Ada's TA breaks and is reported dead
the books are lost and restored
60 days pass, everything off
Ada syncs
