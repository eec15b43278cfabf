"""The pure room: what the world tells, what we believe, what rules say, who is to be told.

Standard library only. No sockets, threads, clock, disk or logging: everything here is a plain
function of its arguments, `now` included.
"""
