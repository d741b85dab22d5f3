# The books are lost twice and restored from one copy: each restore begins a life of its own, and devices tell the second
# what the server answered in the first.
the books are lost and restored
Cid deposits 6.92
the books are lost and restored
