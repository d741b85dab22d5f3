# A TA is paid, and retires, and the books are restored to before both; its owner is paid once more, now without a TA.
# The new life hears of the retirement before the payments to the TA, which then stay in its shadow: nobody gets them.
Cid pays Bob 1.00
Ada pays Bob 1.00
Bob retires the TA
the books are put back
Ada pays Bob 1.00
