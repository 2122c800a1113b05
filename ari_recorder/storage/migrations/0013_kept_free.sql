-- Nothing is here: the number is kept free for what is being made beside this.
SELECT 1;
