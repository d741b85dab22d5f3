# A new TA is registered, and the device does not take the certificate, here because its clock is wrong. When it
# asks again after the certificate has ended, in time that is right, it is not believed: the TA is never registered.
mark server: who registers a TA again gets the certificate of the first time, though it has ended
finds C15 register_ta gets a certificate that has ended
Bob retires the TA
Bob's clock jumps 400 days
Bob gets a new TA
60 days pass, everything off
