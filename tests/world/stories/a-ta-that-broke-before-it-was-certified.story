# A TA breaks, and the next one breaks before the server has certified it: its death is told, the server knows no such TA,
# and there is nothing that anybody waits for.
net requests-lost 57
net answers-lost 60
net late 12
Bob reports the TA dead that was retired
Cid withdraws 1.00
Bob's TA breaks and is reported dead
Bob's TA breaks and is reported dead
