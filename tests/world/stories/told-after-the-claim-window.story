# A device tells a new life what it knows only when the claim window has closed, here because its owner keeps it
# back; one that lay in a drawer would be as late. The statements of its TA are refused from then on.
mark server: a TA whose history comes after the claim window is refused for good
finds C15 status does not succeed
Cid pays Ada 1.00
Cid keeps back what a new life should be told
the books are put back, and backed up again
60 days pass, everything off
60 days pass, everything off
