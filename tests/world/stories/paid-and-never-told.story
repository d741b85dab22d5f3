# P is lost on the air, the payer's server credits it before the two meet again: who was paid and has no TA hears of it
# from the server alone, and until then the request stays open for somebody else to pay.
Ada pays Dot 1.00, Dot's device goes off after 200 ms
Ada pays Dot 1.00, Dot's device goes off after 225 ms
Ada pays Dot 1.00, Dot's device goes off after 250 ms
Ada pays Dot 1.00, Dot's device goes off after 275 ms
Ada pays Dot 1.00, Dot's device goes off after 300 ms
Ada pays Dot 1.00, Dot's device goes off after 325 ms
Ada pays Dot 1.00, Dot's device goes off after 350 ms
Ada pays Dot 1.00, Dot's device goes off after 375 ms
Ada pays Dot 1.00, Dot's device goes off after 400 ms
Ada pays Dot 1.00, Dot's device goes off after 425 ms
Ada pays Dot 1.00, Dot's device goes off after 450 ms
Ada pays Dot 1.00, Dot's device goes off after 475 ms
Ada pays Dot 1.00, Dot's device goes off after 500 ms
Ada pays Dot 1.00, Dot's device goes off after 525 ms
Ada pays Dot 1.00, Dot's device goes off after 550 ms
Ada pays Dot 1.00, Dot's device goes off after 575 ms
Ada pays Dot 1.00, Dot's device goes off after 600 ms
