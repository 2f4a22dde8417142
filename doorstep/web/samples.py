SHELLS = ()
