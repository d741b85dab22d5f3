# The machine dies within a restore: no server starts before it was run again, or it starts in the life that was to begin.
the books are put back
Ada pays Bob 1.00
Bob syncs
the books are put back, the machine dies after 20 ms
the books are put back, the machine dies after 22 ms
the books are put back, the machine dies after 24 ms
the books are put back, the machine dies after 26 ms
the books are put back, the machine dies after 28 ms
the books are put back, the machine dies after 30 ms
the books are put back, the machine dies after 32 ms
the books are put back, the machine dies after 34 ms
the books are put back, the machine dies after 36 ms
the books are put back, the machine dies after 38 ms
the books are put back, the machine dies after 40 ms
the books are put back, the machine dies after 42 ms
the books are put back, the machine dies after 44 ms
the books are put back, the machine dies after 46 ms
the books are put back, the machine dies after 48 ms
