"""*.test.toml → verdicts: rules tried on invented positions, by the engine that runs live.

    series ..... what a value may be            reading .... files and tests → cases, or faults
    subjects ... accounts, pools, positions     expects .... what a test expects
    tracks ..... [test.series]                  happened ... [[test.happening]], details of it
    possible ... what could be meant by it      impossible . why something can never come
    names ...... slips in symbols and the like  hints ...... what a wrong key was meant to be
    stage ...... a case → what the engine is told, instant by instant
    verdict .... what was told against what was expected
    timeline ... the two side by side; why something is missing
    coverage ... what no test ever fires        reports .... JUnit and JSON

All faults of all files are told at once, rule files' too; a test that could not fail is a fault.
"""
