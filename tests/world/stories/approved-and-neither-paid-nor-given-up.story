# The link breaks between approval and signature: the payment is given up, and no longer counts against the sum of
# the day.
Ada pays Bob 1.00, the link breaks after 40 ms
Ada pays Bob 1.00, the link breaks after 60 ms
Ada pays Bob 1.00, the link breaks after 80 ms
Ada pays Bob 1.00, the link breaks after 100 ms
Ada pays Bob 1.00, the link breaks after 120 ms
Ada pays Bob 1.00, the link breaks after 140 ms
Ada pays Bob 1.00, the link breaks after 160 ms
Ada pays Bob 1.00, the link breaks after 180 ms
