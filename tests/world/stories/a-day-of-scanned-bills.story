# What is paid to scanned URIs without asking stays within the sum of a day: the sixth bill is not paid without asking.
Ada deposits 60.00
Ada pays Bob 9.00 by URI
Ada pays Cid 9.00 by URI
Ada pays Bob 9.00 by URI
Ada pays Dot 9.00 by URI
Ada pays Bob 9.00 by URI
Ada pays Bob 9.00 by URI
Ada pays Cid 9.00 by URI
