-- Nothing: this number is kept free for tables of others.
SELECT 1;
