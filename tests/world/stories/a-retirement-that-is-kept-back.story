# An owner retires, the books are restored to before that, the owner keeps the retirement back, reports the TA
# dead, waits until what it held is paid out, and hands the retirement in: it is paid once more.
mark server: what was paid at the end of a TA is counted for each way alone
finds C11 an owner of a TA that ended has more than it had
also C2 the provider stands in for good
also C2 money came from nowhere for good
Ada retires the TA
Ada keeps back what a new life should be told
the books are lost and restored, and backed up again
Ada reports the TA dead that was retired
60 days pass, everything off
