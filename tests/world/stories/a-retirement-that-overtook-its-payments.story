# The books are restored to before payments that were claimed and reported. The devices meet the new life, and their
# owners retire before the payments are told to it: what is missing to them the provider keeps, and then the owners'
# accounts stand in for the payments.
net answers-lost 300
Cid deposits 1.00
Cid pays Dot 18 times 0.17
Bob pays Dot 18 times 0.17
Ada pays Dot 18 times 0.17
the books are put back
Cid retires the TA
Bob retires the TA
Ada retires the TA
