# The clock of a device is behind, so that it does not take the certificate that renews its TA's. When it asks
# again after that certificate has ended, in time that is right, it gets the same one: the TA is never renewed.
mark server: who renews again gets the certificate of the first time, though it has ended
finds C15 renew gets a certificate that has ended
Bob's clock jumps -2 days
20 days pass, everything off
20 days pass, everything off
60 days pass, everything off
