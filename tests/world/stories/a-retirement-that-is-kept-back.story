# An owner retires, the books are restored to before that, the owner keeps the retirement back, reports the TA
# dead, waits until what it held is paid out, and hands the retirement in: it is paid once more.
Ada retires the TA
Ada keeps back what a new life should be told
the books are lost and restored, and backed up again
Ada reports the TA dead that was retired
60 days pass, everything off
