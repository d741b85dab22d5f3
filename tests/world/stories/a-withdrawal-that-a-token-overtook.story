# The answer to a withdrawal is lost, but the status after it is answered, and then the books are lost: the token
# tells the new life that the TA stands behind the withdrawal, and nothing tells it the withdrawal. So it is
# refused whenever it is sent, the money is on no device and in no account, and the device can neither deposit
# nor withdraw nor retire any more, though the owner did nothing wrong.
mark server: a token of an earlier life moves the TA's counter past a withdrawal that the new life was not told
finds C15 a withdrawal is refused
also C2 money is missing for good
Ada's answers to withdrawals get lost for 5 minutes
Ada withdraws 1.00
the books are lost and restored
