/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Text in columns, each as wide as what is in it.
 */
#ifndef PBCTL_TABLE_H
#define PBCTL_TABLE_H

#include "libpb.h"

/**
 * struct column - of a table
 * @title: its first line
 * @right: numbers: their ends are below each other
 */
struct column {
	const char	*title;
	bool		right;
};

/**
 * struct table - a table that is being filled
 * @columns: of it
 * @nr_columns: how many
 * @widths: of each, in characters
 * @cells: what was added, row by row
 * @nr_cells: how many
 */
struct table {
	const struct column	*columns;
	unsigned int		nr_columns;
	unsigned int		*widths;
	char			**cells;
	size_t			nr_cells;
};

void table_begin(struct table *table, const struct column *columns,
		 unsigned int nr);
void table_end(struct table *table);

/**
 * table_add() - fill the next cell
 * @table: cells come in the order of reading
 * @fmt: what is in it, UTF-8
 */
void table_add(struct table *table, const char *fmt, ...) pb_printf(2, 3);

/* Without the end of the line. */
void table_print_head(const struct table *table);
void table_print_row(const struct table *table, size_t row);

/* Characters of a line. */
unsigned int table_width(const struct table *table);

/* Characters of a text in UTF-8. */
size_t text_width(const char *text);

#endif /* PBCTL_TABLE_H */
