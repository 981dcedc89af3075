-- How many products of a branch are low, and how many medium: asked by the day's figures, and by every tick in which products of
-- the branch changed. From the partial indexes of what is not normal.
CREATE FUNCTION stock_totals(branch bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('low', count(*) FILTER (WHERE alert_level = 'low'), 'medium', count(*) FILTER (WHERE alert_level = 'medium'))
    FROM (SELECT alert_level FROM frames WHERE branch_id = branch AND alert_level <> 'normal'
          UNION ALL SELECT alert_level FROM lensas WHERE branch_id = branch AND alert_level <> 'normal'
          UNION ALL SELECT alert_level FROM aksesoris WHERE branch_id = branch AND alert_level <> 'normal') alerts
$$;
