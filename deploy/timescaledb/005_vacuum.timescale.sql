-- New chunks are not vacuumed because rows came: freezing a page that is compressed, and so written
-- anew, within a day cost up to 2.4 us a row in bursts (docs/performance.md).  Deletes still count.

alter table reading set (autovacuum_vacuum_insert_threshold = -1);
