"""Every fact that the code promises, named; suites by stage, then the chain on real servers.

Pure tests stand in the folder of their stage, those with servers in ``integration``, kills in
``faults``.
"""
