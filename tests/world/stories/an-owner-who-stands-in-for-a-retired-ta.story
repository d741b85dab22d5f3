# A TA pays, is paid, and retires, and the books are lost. The new life hears of the retirement first, then of what
# the TA paid, for which the owner's account stands in, and then of what it was paid, which stays in the shadow of
# the retired TA: nobody pays back to the owner what the account stood in for.
Ada pays Bob 2.00
Bob pays Ada 3.00
Ada retires the TA
the books are lost and restored
