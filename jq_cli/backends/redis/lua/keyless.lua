-- For jobs of which none has a key.
local take_keys = nil
