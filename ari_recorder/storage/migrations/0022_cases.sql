-- Kept free: the number belongs to the requests of persons.
SELECT;
