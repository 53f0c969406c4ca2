"""The evaluated candidates of a fleet as options of the placement program (`inferfleet.placing`). Pure.

Here Models, classes and engines become keys and numbers; nothing here decides between options. A caller gets with the
problem what every key of it means.
"""
