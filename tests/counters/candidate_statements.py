"""Forms of statements on candidates and matches; see `statements`."""

from typing import Final

__all__ = ["BY_BOTH", "BY_SERVICE", "BY_USERS"]

BY_BOTH: Final = """
    insert into candidates ({col}product_id, asin, dismissed)
        select {val}id, '{asin}', {on} from products where user_id = '{me}' and title in ('{p}', '{q}');
    insert into candidates ({col}product_id, asin)
        select {val}id, a.asin from products, (values ('{asin}'), ('B00000000X'), ('B00000000Y')) as a (asin)
        where user_id = '{me}' and title = '{p}'
        on conflict (product_id, asin) do update set dismissed = not candidates.dismissed;
    with p as (insert into products ({col}title, {field}) values ({val}'{p}', {value}) returning id),
        c as (insert into candidates ({col}product_id, asin)
            select {val}id, a.asin from p, (values ('B00000000X'), ('B00000000Y')) as a (asin))
        insert into deals ({col}product_id, supplier) select {val}id, '{s}' from p;
    update candidates set dismissed = {on} where {ours} and asin = '{asin}';
    update candidates set dismissed = not dismissed
        where {ours} and product_id in (select id from products where title = '{p}');
    delete from candidates where {ours} and product_id in (select id from products where title = '{p}');
    delete from candidates where {ours} and asin <> '{asin}';
    merge into candidates c using (select id from products where user_id = '{me}' and title = '{p}') p
        on c.product_id = p.id
        when matched and c.asin = '{asin}' then delete
        when matched then update set dismissed = not c.dismissed
        when not matched then insert ({col}product_id, asin) values ({val}p.id, '{asin}');
    with gone as (delete from candidates where user_id = '{me}' and asin = '{asin}' returning product_id)
        insert into candidates ({col}product_id, asin)
        select {val}product_id, a.asin from gone, (values ('B00000000X'), ('B00000000Y')) as a (asin)
        on conflict do nothing;
    with c as (update candidates set dismissed = {on} where {ours} and asin = '{asin}')
        update products set title = '{q}', {field} = {value} where {ours} and title = '{p}';
    with gone as (delete from products where {ours} and title = '{p}')
        update candidates set dismissed = {on} where {ours};
    with d as (delete from deals where {ours} and supplier = '{s}')
        update candidates set dismissed = {on} where {ours};
    with gone as (delete from candidates where {ours} returning asin) select count(*) / 0 from gone;
    insert into candidates ({col}product_id, asin) select {val}id, 'B0000000' || n
        from products, generate_series(10, 10 + 20 * {n}) as n where user_id = '{me}' and title = '{p}'
        on conflict do nothing;
    insert into matches ({col}gtin, asin, verdict) values ({val}'000000{upc}', '{asin}', '{verdict}')
        on conflict (user_id, gtin, asin) do update set verdict = excluded.verdict;
    delete from matches where {ours} and verdict = '{verdict}'
"""
"""For users and for the service role. The statements are separated by semicolons."""

BY_USERS: Final = """
    select put_candidates(id, '[{{"asin": "{asin}"}}, {{"asin": "B00000000X"}}]') from products where title = '{p}';
    select put_candidates(id, '[{{"asin": "{asin}"}}]', {on}) from products where title = '{p}';
    select add_candidates('[{{"line": 1, "upc": "{upc}", "asin": "{asin}"}},
        {{"line": 2, "upc": "{upc}", "asin": "B00000000Y"}}, {{"line": 3, "upc": "12345670"}}]', {on});
    select add_candidates(jsonb_agg(jsonb_build_object('line', 1, 'product_id', id, 'asin', '{asin}')), {on})
        from products where title in ('{p}', '{q}');
    select update_product(id, '{{"upc": "{upc}"}}') from products where title = '{p}';
    select decide_asin(id, '{asin}', {on}) from products where title = '{p}';
    select decide_asin(id, null, {on} and upc is not null) from products where title = '{p}';
    select decide_many(jsonb_agg(jsonb_build_object('product_id', id, 'asin', '{asin}')), false)
        from products where title in ('{p}', '{q}');
    select merge_products(p.id, t.id) from products p, products t
        where p.title = '{p}' and t.title = '{q}' and p.id <> t.id order by p.id, t.id limit 1;
    select undo_decision((history -> 0 ->> 'id')::uuid) from (
        select private.history_of(id) as history from products where title in ('{p}', '{q}')
        offset 0) as decided where history <> '[]';
    with m as materialized (
            select merge_products(p.id, t.id) -> 'answer' -> 'history' -> 0 ->> 'id' as id from products p, products t
            where p.title = '{p}' and t.title = '{q}' and p.id <> t.id order by p.id, t.id limit 1)
        select undo_decision(id::uuid) -> 'answer' from m;
    with d as materialized (
            select decide_asin(id, '{asin}', {on}) -> 'answer' -> 'history' -> 0 ->> 'id' as id
            from products where title = '{p}')
        select undo_decision(id::uuid) -> 'answer' from d where {on}
"""
BY_SERVICE: Final = """
    update candidates set asin = '{asin}' where {ours} and asin = 'B00000000X';
    update candidates c set product_id = p.id from products p
        where c.{ours} and p.user_id = c.user_id and p.title = '{q}'
        and c.product_id = (select id from products where user_id = '{me}' and title = '{p}' limit 1);
    with d as (update deals set user_id = '{other}'
            where product_id in (select id from products where user_id = '{me}' and title = '{p}')),
        c as (update candidates set user_id = '{other}'
            where product_id in (select id from products where user_id = '{me}' and title = '{p}'))
        update products set user_id = '{other}' where user_id = '{me}' and title = '{p}';
    with {new_id}, {late_product}, late_deal as (
            insert into deals (user_id, product_id, supplier) select '{me}', id, '{s}' from new_id)
        insert into candidates (user_id, product_id, asin)
        select '{me}', id, a.asin from new_id, (values ('B00000000X'), ('B00000000Y')) as a (asin);
    with {new_id}, {late_product}
        update candidates c set product_id = new_id.id from new_id
        where c.product_id = (select id from products where user_id = '{me}' and title = '{p}' order by id limit 1);
    update products p set merged_into = t.id from products t
        where p.user_id = '{me}' and t.user_id = p.user_id and p.title = '{p}' and t.title = '{q}' and t.id <> p.id;
    select add_candidates('[{{"line": 1, "upc": "{upc}", "asin": "{asin}"}}]', {on}, '{me}');
    {lock_both} truncate candidates
"""
