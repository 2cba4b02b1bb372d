module doorward/bench/standin

go 1.19
