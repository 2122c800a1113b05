-- This number is kept free for a change that comes in before this one.
SELECT 1;
