-- Reads jobs. ARGV: now, ids. Answers now, and what `read_rows` gives.
local ids = {}
for i = 2, #ARGV do
  ids[i - 1] = ARGV[i]
end
return {time(ARGV[1]), read_rows(queue_at(1), ids)}
