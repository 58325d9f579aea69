"""What people would otherwise write, one file each."""

TASKS = "bench_tasks"
RESULTS = "bench_results"
