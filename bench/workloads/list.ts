export const WORKLOADS = ['serve', 'issue', 'download', 'growth'] as const;

export type Workload = (typeof WORKLOADS)[number];
