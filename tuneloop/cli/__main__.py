from tuneloop.__main__ import main

main()
