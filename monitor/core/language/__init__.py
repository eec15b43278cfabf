"""The language of rule conditions: text → tokens → tree → checked tree → Python code object."""
